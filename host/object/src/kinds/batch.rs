//! Work that ends, and how many do it.

use super::row::Row;
use crate::{print, strategy};

pub(super) fn rows() -> Vec<Row> {
    let job = Row {
        categories: &["all"],
        selectable: &["status.successful"],
        columns: print::batch::job_columns(),
        generation: true,
        strategy: strategy::batch::JOB,
        ..Row::namespaced("batch/v1", "Job", "jobs")
    };
    let cron_job = Row {
        short_names: &["cj"],
        categories: &["all"],
        columns: print::batch::cron_job_columns(),
        generation: true,
        strategy: strategy::batch::CRON_JOB,
        ..Row::namespaced("batch/v1", "CronJob", "cronjobs")
    };
    let autoscaler = Row {
        short_names: &["hpa"],
        categories: &["all"],
        columns: print::autoscaler::columns(),
        strategy: strategy::batch::AUTOSCALER,
        ..Row::namespaced("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
    };
    vec![job.with_status(), cron_job.with_status(), autoscaler.with_status()]
}
