"""Brains that are asked in words: language models, commands, people."""
