"""One run: plan it, execute it part by part, store it, read it, and decide what to do next."""
