//! The built-in rows. One file per API group; what a kind does beyond its data is in `strategy`, how it
//! prints in `print`.

mod admission;
mod apps;
mod batch;
mod certificates;
mod core;
mod devices;
mod extension;
mod flow;
mod networking;
mod policy;
mod quota;
mod row;
mod storage;
mod virtual_kinds;

use std::sync::OnceLock;

use crate::Kinds;

impl Kinds {
    /// Every kind the daemon serves from birth.
    pub fn builtin() -> Kinds {
        static KINDS: OnceLock<Kinds> = OnceLock::new();
        KINDS
            .get_or_init(|| {
                let rows = [
                    core::rows(),
                    quota::rows(),
                    apps::rows(),
                    batch::rows(),
                    networking::rows(),
                    storage::rows(),
                    policy::rows(),
                    flow::rows(),
                    devices::rows(),
                    certificates::rows(),
                    extension::rows(),
                    admission::rows(),
                    virtual_kinds::rows(),
                ];
                Kinds::new(rows.into_iter().flatten().map(row::Row::build).collect())
            })
            .clone()
    }
}

#[cfg(test)]
mod tests;
