"""Comparisons, sweeps, reproductions, statistics over many videos.

Recipes lie beside the code that reads them. Tables of the papers lie in ``schemes``, where they are first read.
More than fifteen files, as a kind of experiment and a table or plot of it is a file each.
"""
