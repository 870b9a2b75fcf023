//! One pass against a scripted API server: exactly these calls, in this order, and none on the next pass.

mod end;
mod failures;
mod start;
mod world;

use self::world::*;
use super::*;
