"""Building blocks of the field, one module per idea, for training and for the ablation."""
