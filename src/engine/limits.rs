//! Every bound of the engine: name, unit, reason. What a configuration may change is in [`Settings`];
//! what it may not is a constant.

mod bounds;
mod settings;

pub use bounds::*;
pub use settings::{FramingRule, ServiceSettings, Settings};
