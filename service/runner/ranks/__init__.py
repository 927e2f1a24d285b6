"""Trainings on several devices: who takes which place, and how the others are started and watched."""
