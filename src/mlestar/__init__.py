"""MLE-STAR: a machine-learning engineering agent with an honest score."""
