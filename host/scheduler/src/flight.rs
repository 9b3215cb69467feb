//! From a chosen node to a bound pod: reserve, permit, pre-bind, bind. A pod that waits on the way
//! is asked about again when something changed that the plugin it waits for reads.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orch_plugin::calls::CallError;
use orch_plugin::calls::scheduler::{Patch, Permission, Points};

use crate::core::{Core, Effect, Failed};
use crate::cycle::unless_ignored;
use crate::queue::Queued;
use crate::resident::Resident;

/// A pod on its way to a node.
pub(crate) struct Flight {
    pub queued: Queued,
    pub node: Arc<str>,
    pub index: u32,
    /// Those who reserved something, in order.
    reserved: Vec<String>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Until all of these allow it.
    Permit { by: Vec<String>, until: Option<Instant> },
    /// Until all of these have what must be so. Entered when everybody allows it.
    Prepare { by: Vec<String>, until: Option<Instant>, writing: bool, written: Vec<Patch> },
    /// Left when the API has answered.
    Bind,
}

/// Where a plugin's advice led.
enum Step {
    Done,
    Wait(Duration),
    Write(Vec<Patch>, Duration),
}

impl Flight {
    /// The pod takes its room already; see `Core::assume`.
    pub fn new(queued: Queued, node: Arc<str>, index: u32) -> Self {
        let stage = Stage::Permit { by: Vec::new(), until: None };
        Flight { queued, node, index, reserved: Vec::new(), stage }
    }

    /// When it has waited too long.
    pub fn due(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Permit { until, .. } | Stage::Prepare { until, .. } => *until,
            Stage::Bind => None,
        }
    }

    /// Should it be asked about again, now that these plugins were told something?
    fn waits_for(&self, plugins: &BTreeSet<String>) -> bool {
        match &self.stage {
            Stage::Permit { by, .. } | Stage::Prepare { by, writing: false, .. } => {
                by.iter().any(|plugin| plugins.contains(plugin))
            }
            Stage::Prepare { writing: true, .. } | Stage::Bind => false,
        }
    }
}

impl Core {
    /// Sends a pod that was just assumed on its way.
    pub(crate) fn take_off(
        &mut self,
        mut flight: Flight,
        lineup: &[usize],
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let with = |point: fn(&Points) -> bool| -> Vec<String> {
            let takes_part = |position: &&usize| point(&self.residents[**position].description().points);
            lineup.iter().filter(takes_part).map(|position| self.residents[*position].name.clone()).collect()
        };
        let (reserves, permits, prepares) = (with(|p| p.reserve), with(|p| p.permit), with(|p| p.pre_bind));
        for plugin in reserves {
            flight.reserved.push(plugin.clone());
            if let Err(error) = self.reserve(&plugin, &flight, now) {
                return self.abort(flight, Failed::Call(error), now, effects);
            }
        }
        flight.stage = Stage::Permit { by: permits, until: None };
        self.advance(flight, prepares, now, effects);
    }

    /// Asks again about those that wait for plugins that were told something, and ends those whose
    /// time is up.
    pub(crate) fn advance_waiting(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let stirred = std::mem::take(&mut self.stirred);
        let due = |flight: &Flight| flight.due().is_some_and(|due| due <= now);
        let chosen: Vec<Arc<str>> = self
            .flights
            .iter()
            .filter(|(_, flight)| due(flight) || (!stirred.is_empty() && flight.waits_for(&stirred)))
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in chosen {
            let Some(flight) = self.flights.remove(&uid) else { continue };
            match (&flight.stage, due(&flight)) {
                (Stage::Permit { by, .. } | Stage::Prepare { by, .. }, true) => {
                    let plugin = by.first().cloned().unwrap_or_default();
                    self.abort(flight, Failed::TimedOut(plugin), now, effects);
                }
                (Stage::Permit { .. } | Stage::Prepare { .. } | Stage::Bind, _) => {
                    let prepares = self.preparing(&flight);
                    self.advance(flight, prepares, now, effects);
                }
            }
        }
    }

    /// The patches a plugin advised have been made, or not.
    pub(crate) fn written(
        &mut self,
        uid: &str,
        result: Result<(), String>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let Some(mut flight) = self.flights.remove(uid) else { return };
        if let Stage::Prepare { writing, by, .. } = &mut flight.stage {
            *writing = false;
            if let Err(message) = result {
                let plugin = by.first().cloned().unwrap_or_default();
                return self.abort(flight, Failed::Write { plugin, message }, now, effects);
            }
        }
        let prepares = self.preparing(&flight);
        self.advance(flight, prepares, now, effects);
    }

    /// Takes a pod out of the air: what was reserved is let go, its room is free.
    pub(crate) fn abort(&mut self, flight: Flight, failed: Failed, now: Instant, effects: &mut Vec<Effect>) {
        self.let_go(&flight, now);
        self.fail(flight.queued, failed, now, effects);
    }

    pub(crate) fn let_go(&mut self, flight: &Flight, now: Instant) {
        for plugin in flight.reserved.iter().rev() {
            let unreserved =
                self.ask(plugin, flight, now, |resident, pod| resident.plugin.unreserve(pod, flight.index));
            if let Err(error) = unreserved {
                tracing::warn!(plugin, %error, "a reservation was not let go");
            }
        }
        let changes = self.cluster.remove_pod(&flight.queued.info.uid);
        self.pass_on(changes, now);
    }

    fn preparing(&self, flight: &Flight) -> Vec<String> {
        match &flight.stage {
            Stage::Prepare { by, .. } => by.clone(),
            Stage::Permit { .. } => {
                let prepares = |resident: &&Resident| resident.description().points.pre_bind;
                let lineup = self.lineup(&flight.queued.info);
                let residents = lineup.iter().map(|position| &self.residents[*position]);
                residents.filter(prepares).map(|resident| resident.name.clone()).collect()
            }
            Stage::Bind => Vec::new(),
        }
    }

    fn advance(
        &mut self,
        mut flight: Flight,
        prepares: Vec<String>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        flight.stage = match std::mem::replace(&mut flight.stage, Stage::Bind) {
            Stage::Permit { by, until } => match self.permissions(by, until, &flight, now) {
                Err(failed) => return self.abort(flight, failed, now, effects),
                Ok(Some(waiting)) => {
                    flight.stage = waiting;
                    return self.keep(flight);
                }
                Ok(None) => Stage::Prepare { by: prepares, until: None, writing: false, written: Vec::new() },
            },
            stage @ (Stage::Prepare { .. } | Stage::Bind) => stage,
        };
        self.prepare(flight, now, effects);
    }

    /// Asks each of these; those that make the pod wait stay in the stage. `None`: all allow it.
    fn permissions(
        &mut self,
        by: Vec<String>,
        mut until: Option<Instant>,
        flight: &Flight,
        now: Instant,
    ) -> Result<Option<Stage>, Failed> {
        let mut waiting = Vec::new();
        for plugin in by {
            if let Some(limit) = self.permit(&plugin, flight, now)? {
                until = until.or(Some(now + limit));
                waiting.push(plugin);
            }
        }
        Ok((!waiting.is_empty()).then_some(Stage::Permit { by: waiting, until }))
    }

    fn prepare(&mut self, mut flight: Flight, now: Instant, effects: &mut Vec<Effect>) {
        if let Stage::Prepare { mut by, mut until, mut written, .. } =
            std::mem::replace(&mut flight.stage, Stage::Bind)
        {
            while let Some(plugin) = by.first().cloned() {
                match self.advice(&plugin, &flight, now) {
                    Ok(Step::Done) => drop(by.remove(0)),
                    Ok(Step::Wait(limit)) => {
                        until = until.or(Some(now + limit));
                        flight.stage = Stage::Prepare { by, until, writing: false, written };
                        return self.keep(flight);
                    }
                    Ok(Step::Write(patches, limit)) => {
                        until = until.or(Some(now + limit));
                        // Told again before it heard of its own writes: it is waiting for them.
                        let writing = patches != written;
                        if writing {
                            written.clone_from(&patches);
                            let pod = flight.queued.info.clone();
                            let client = self.writer(&plugin);
                            effects.push(Effect::Write { pod, plugin, client, patches });
                        }
                        flight.stage = Stage::Prepare { by, until, writing, written };
                        return self.keep(flight);
                    }
                    Err(failed) => return self.abort(flight, failed, now, effects),
                }
            }
        }
        effects.push(Effect::Bind { pod: flight.queued.info.clone(), node: flight.node.clone() });
        self.keep(flight);
    }

    fn keep(&mut self, flight: Flight) {
        self.flights.insert(flight.queued.info.uid.clone(), flight);
    }

    fn reserve(&mut self, plugin: &str, flight: &Flight, now: Instant) -> Result<(), CallError> {
        self.ask(plugin, flight, now, |resident, pod| resident.plugin.reserve(pod, flight.index)).map(|_| ())
    }

    /// How long the pod is to wait for this plugin, if it is.
    fn permit(&mut self, plugin: &str, flight: &Flight, now: Instant) -> Result<Option<Duration>, Failed> {
        let permission =
            self.ask(plugin, flight, now, |resident, pod| resident.plugin.permit(pod, flight.index));
        match permission.map_err(Failed::Call)? {
            None | Some(Permission::Allow) => Ok(None),
            Some(Permission::Wait(millis)) => Ok(Some(Duration::from_millis(millis.into()))),
            Some(Permission::Reject(message)) => Err(Failed::Refused { plugin: plugin.into(), message }),
        }
    }

    fn advice(&mut self, plugin: &str, flight: &Flight, now: Instant) -> Result<Step, Failed> {
        let advice =
            self.ask(plugin, flight, now, |resident, pod| resident.plugin.pre_bind(pod, flight.index));
        let Some(advice) = advice.map_err(Failed::Call)? else { return Ok(Step::Done) };
        let limit = Duration::from_millis(advice.timeout_ms.into());
        Ok(match (advice.patches.is_empty(), advice.ready) {
            (true, true) => Step::Done,
            (true, false) => Step::Wait(limit),
            (false, true | false) => Step::Write(advice.patches, limit),
        })
    }

    /// Asks the version of the plugin that decides about this pod. `None`: it is gone, or its
    /// failure may be ignored.
    fn ask<T>(
        &mut self,
        plugin: &str,
        flight: &Flight,
        now: Instant,
        call: impl FnOnce(&Resident, &str) -> Result<T, CallError>,
    ) -> Result<Option<T>, CallError> {
        let pod = &flight.queued.info;
        let lineup = self.lineup(pod);
        let Some(position) = lineup.into_iter().find(|position| self.residents[*position].name == plugin)
        else {
            return Ok(None);
        };
        let resident = &mut self.residents[position];
        let policy = resident.settings.failure_policy;
        let answer =
            resident.bring_up_to_date(&self.cluster, now).and_then(|()| call(resident, &resident.cut(pod)));
        if resident.description().points.reserve {
            // What it holds for pods is its own knowledge.
            resident.forget_answers();
        }
        unless_ignored(plugin, policy, answer)
    }
}
