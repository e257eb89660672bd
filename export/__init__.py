"""Training-host side of edgeface: train, distil, quantise, pack. Never part of the wheel."""
