//! The limits of a table, each spelt here and nowhere else: its name in `tablecast.toml`, what
//! it says, what it is where nobody sets it, and the most that it may be.

/// The list. It makes [`Limits`], and `with_limits!`, which gives a struct of settings a field
/// for each.
macro_rules! limits {
    (
        ($d:tt)
        numbers { $($(#[$doc:meta])* $name:ident: $kind:ty = $usual:literal, at most $most:expr;)* }
        switches { $($(#[$switch_doc:meta])* $switch:ident;)* }
    ) => {
        /// What a seed and a publication may do to a table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Limits {
            $($(#[$doc])* pub $name: $kind,)*
            $($(#[$switch_doc])* pub $switch: bool,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $usual,)* $($switch: false,)* }
            }
        }

        impl Limits {
            /// The first that is more than it may be, with its name.
            pub(crate) fn out_of_bounds(&self) -> Option<(&'static str, u64)> {
                let all = [$((stringify!($name), u64::from(self.$name), $most)),*];
                let found = all.into_iter().find(|(_, value, most): &(_, u64, u64)| value > most);
                found.map(|(name, value, _)| (name, value))
            }
        }

        macro_rules! with_limits {
            // Of every table.
            ($d(#[$d outer:meta])* pub struct $d name:ident { $d($d before:tt)* } limits { $d($d after:tt)* }) => {
                $d(#[$d outer])*
                pub struct $d name {
                    $d($d before)*
                    $($(#[$doc])* pub $name: Option<$kind>,)*
                    $d($d after)*
                }

                impl $d name {
                    /// Those that are set; `usual` for all others.
                    pub(crate) fn limits(&self, usual: Limits) -> Limits {
                        Limits {
                            $($name: self.$name.unwrap_or(usual.$name),)*
                            ..usual
                        }
                    }
                }
            };
            // Of one.
            ($d(#[$d outer:meta])* pub struct $d name:ident { $d($d before:tt)* } limits and switches) => {
                $d(#[$d outer])*
                pub struct $d name {
                    $d($d before)*
                    $($(#[$doc])* pub $name: Option<$kind>,)*
                    $($(#[$switch_doc])* pub $switch: bool,)*
                }

                impl $d name {
                    /// Those that are set; `usual` for all others.
                    pub(crate) fn limits(&self, usual: Limits) -> Limits {
                        Limits {
                            $($name: self.$name.unwrap_or(usual.$name),)*
                            $($switch: self.$switch,)*
                        }
                    }
                }
            };
        }
        pub(crate) use with_limits;
    };
}

limits! {
    ($)
    numbers {
        /// How many per cent of the active seed rows one run may deactivate.
        max_deactivation_percent: u8 = 50, at most 100;
        /// The fewest rows that a published table must have.
        min_rows: u64 = 0, at most u64::MAX;
        /// How many per cent of the published rows one publication may remove.
        max_removed_percent: u8 = 50, at most 100;
        /// How many per cent of them it may give other values.
        max_changed_percent: u8 = 100, at most 100;
        /// How many active rows may point at inactive ones.
        max_broken_references: u64 = 0, at most u64::MAX;
    }
    switches {
        /// Whether it may be gone from one publication to the next.
        may_vanish;
        /// Whether it may lose or retype columns without a raised major schema version.
        may_change_shape;
    }
}
