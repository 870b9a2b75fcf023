//! Numbers from facts: concurrent usage, hours.
