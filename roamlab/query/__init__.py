"""Packets in words, chosen by words."""
