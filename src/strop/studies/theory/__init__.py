"""Studies of the sharpening paper's theorems on small worlds that are known exactly."""
