//! `ipcctl certificate NAME…`

#[cfg(feature = "tls")]
mod advice;
mod arguments;
#[cfg(feature = "tls")]
mod authority;
mod code;
#[cfg(feature = "tls")]
mod files;
#[cfg(feature = "tls")]
mod made;
#[cfg(feature = "tls")]
mod make;
#[cfg(feature = "tls")]
mod names;

use super::error::CliError;
use super::output;
pub(crate) use arguments::Arguments;

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    if let Some(language) = arguments.code {
        return output::print(language.code().trim_end());
    }
    #[cfg(feature = "tls")]
    return make::run(arguments);
    #[cfg(not(feature = "tls"))]
    Err(CliError::Usage("this ipcctl was built without TLS (cargo's feature tls)".to_owned()))
}
