use super::{age, name, path};
use crate::kind::Column;

pub(crate) fn columns() -> Vec<Column> {
    vec![name(), path("Status", "The phase: Active or Terminating.", "status.phase"), age()]
}
