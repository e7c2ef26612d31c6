//! Enums that know their variants. None can be missing from `ALL`, because it is made from the definition.

/// Defines an enum without data, and its `ALL`.
#[doc(hidden)]
#[macro_export]
macro_rules! listed {
    ($(#[$outer:meta])* $vis:vis enum $name:ident { $($(#[$inner:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$outer])*
        $vis enum $name {
            $($(#[$inner])* $variant,)+
        }

        impl $name {
            /// All of them, in the order of their numbers.
            $vis const ALL: [$name; [$($name::$variant),+].len()] = [$($name::$variant),+];
        }
    };
}

pub use listed;
