"""Networks in plain PyTorch, one in each file, each with ``tiny()``.

Nothing of ours outside ``nets`` is imported.
No files, no downloads.
More than fifteen files, as a network is a file.
"""
