"""Damaged, hostile and interrupted input of every kind, and what lgvsc makes of it."""
