//! Every bound of the engine, with unit and reason. Those that a configuration may change are in [`Settings`]; the others are
//! constants.

mod bounds;
mod settings;

pub use bounds::*;
pub use settings::{FramingRule, ServiceSettings, Settings};
