//! Looks up what logs mention and nobody has described yet, and asks for an inspection of every image not yet known.
