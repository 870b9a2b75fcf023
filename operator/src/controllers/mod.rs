//! One folder a custom resource.
