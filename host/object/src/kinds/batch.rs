//! Work that ends, and how many do it.

use super::row::Row;
use crate::conversion::AUTOSCALER;
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
        generation: true,
        strategy: strategy::batch::AUTOSCALER,
        ..Row::namespaced("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
    };
    let first_autoscaler = Row {
        short_names: &["hpa"],
        categories: &["all"],
        columns: print::autoscaler::columns(),
        generation: true,
        strategy: strategy::batch::FIRST_AUTOSCALER,
        conversion: Some(AUTOSCALER),
        ..Row::namespaced("autoscaling/v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
    };
    [job, cron_job, autoscaler, first_autoscaler].map(Row::with_status).into()
}
