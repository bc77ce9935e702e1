"""Images of house numbers: SVHN, a synthetic sample, and the closed-form anchors computed from them."""
