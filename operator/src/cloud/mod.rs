//! What we ask of a cloud.
