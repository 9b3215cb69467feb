//! Limits of a namespace.

use super::row::Row;
use crate::{print, strategy};

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row {
            short_names: &["limits"],
            columns: print::quota::limit_range_columns(),
            strategy: strategy::quota::LIMIT_RANGE,
            ..Row::namespaced("v1", "LimitRange", "limitranges")
        },
        Row {
            short_names: &["quota"],
            columns: print::quota::resource_quota_columns(),
            strategy: strategy::quota::RESOURCE_QUOTA,
            ..Row::namespaced("v1", "ResourceQuota", "resourcequotas")
        }
        .with_status(),
    ]
}
