"""Joints and mask of the person in a photo, and the square canvas that both stand on."""
