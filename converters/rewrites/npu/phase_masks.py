"""Attention over all tokens of a map, with a mask between the phases: nothing unfolds.

Tokens of one phase (of equal position inside their 2x2 patch) attend to each other only. With M
zero between tokens of one phase and -10,000 elsewhere, softmax(s + M) is zero outside the phase and
inside it what it was: exp(-10,000) is zero in every format, and the sum over a token's row has the
same terms. The scores of all N tokens are 4 times as many numbers as those of four phases, so this
pays where the map is small (V1's line, last stage).

V2's line has one score for each token, so its softmax grows four times, by 4 N numbers, and no
more: four copies of the scores, one for each phase, masked for it, give the contexts of the four
phases as one product [4, N] x [N, d]. The context returns to the tokens by the product with the
phases' indicators [N, 4], which picks one row for each.
"""
