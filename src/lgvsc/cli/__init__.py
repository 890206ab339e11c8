"""The command line: one file for each family of commands.

Arguments are parsed before PyTorch is imported.
No work is done here that Python users would miss.
More than fifteen files, as a family of commands is a file.
"""
