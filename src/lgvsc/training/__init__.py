"""Trainers of what ships: data, losses, schedules, checkpoints.

Rooms by what is trained; what all share stands at the top.
Nothing at run time imports from here.
"""
