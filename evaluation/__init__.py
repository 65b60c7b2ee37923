"""Measuring predictions against ground truth: surfaces in space, maps in the image, and what the numbers are worth."""
