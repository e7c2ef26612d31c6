//! The parts of HTTP/1.1 (RFC 9110, RFC 9112) that the page needs: requests without a body, answers of a known length, and the
//! upgrade to a WebSocket (RFC 6455). Bytes in, bytes out; knows no service.

pub mod request;
pub mod response;
pub mod site;
pub mod upgrade;

pub use request::{Request, Unreadable};
pub use response::{Response, Status};
