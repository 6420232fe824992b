"""The theorems of the sharpening paper, checked on small exact worlds."""
