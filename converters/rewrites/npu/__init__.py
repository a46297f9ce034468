"""Rewrites for phones' NPUs, chosen by simulated cycles of Qualcomm's Hexagon (docs/howto/npu.md).

Its matrix units read maps with channels last, in tiles of rows and columns, and like few, large,
regular operators: maps instead of sequences of tokens, products of whole maps instead of heads.
"""
