//! houndigrade.
