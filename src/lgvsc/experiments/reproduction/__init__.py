"""Figures and tables of the papers made again: what a recipe needs, who makes it, and the published values beside it.

:mod:`lgvsc.experiments.reproduce` is where to begin: it hands a recipe to what makes its kind. All of them give back
the same: values with n and intervals, which ``result.py`` joins with the published ones and ``files.py`` writes.
"""
