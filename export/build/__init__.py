"""The pipeline: checkpoint → float → calibrate → quantise → convert → verify → report → pack.

Each step is a module with ``add_options(parser)`` and ``make(work, args)``, and a command of its
own; ``command.py`` runs them all. They share a work folder, and nothing is done twice.
"""
