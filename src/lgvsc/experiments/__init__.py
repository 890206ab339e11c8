"""Comparisons, sweeps, reproductions, statistics over many videos.

Recipes and published values lie beside the code that reads them.
Nothing below this layer may know a paper's table.
"""
