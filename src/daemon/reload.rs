//! A reload: checks the whole new configuration and opens its endpoints before it closes anything old.

#[cfg(feature = "tls")]
use super::certificates;
use super::limits::settings;
use super::listens::{ListenSpec, wanted};
use super::retry::Retries;
use super::{Daemon, advice, configuration, nats};
use crate::endpoint::ResolvedEndpoint;
use crate::host;
use crate::os_error::describe;

impl Daemon {
    /// Reopens the log file and the transcript, in case they were moved away.
    pub(super) fn reopen_files(&mut self) {
        self.reopen_transcript();
        if let Some(file) = &self.log_file
            && let Err(error) = host::log_file::reopen(file)
        {
            log::warn!(
                "{}: cannot be reopened: {}; the log stays in the old file",
                file.display(),
                describe(&error)
            );
        }
    }

    /// Reads the configuration again. Errors are also logged.
    pub(super) fn reload(&mut self) -> Result<(), Vec<String>> {
        self.manager.reloading();
        let outcome = self.try_reload();
        match &outcome {
            Ok(()) => {
                log::info!("reloaded: {}", self.places().join("; "));
                advice::of_services(&self.config).iter().for_each(|line| log::warn!("{line}"));
            }
            Err(lines) => {
                lines.iter().for_each(|line| log::error!("{line}"));
                log::error!("reload failed, nothing has changed");
            }
        }
        self.status.reload = Some((outcome.is_ok(), self.reactor.now()));
        self.renew_figures();
        self.tell_status();
        self.manager.ready(&self.status.line);
        outcome
    }

    fn try_reload(&mut self) -> Result<(), Vec<String>> {
        let config = configuration(self.named.as_deref())
            .map_err(|failure| failure.to_string().lines().map(str::to_owned).collect::<Vec<String>>())?;
        #[cfg(feature = "tls")]
        let certificates = certificates::read(&config)
            .map_err(|failure| failure.to_string().lines().map(str::to_owned).collect::<Vec<String>>())?;
        let shared = nats::read(&config)
            .map_err(|failure| failure.to_string().lines().map(str::to_owned).collect::<Vec<String>>())?;
        let wanted = wanted(&config, &self.runtime).map_err(|line| vec![line])?;
        let transcript = self.transcript_of(config.transcript.as_deref()).map_err(|line| vec![line])?;
        self.open(&wanted, Retries::None)?;
        self.bound_receiving(&config.settings, &wanted);
        #[cfg(feature = "tls")]
        self.take(certificates);
        if let Some(transcript) = transcript {
            self.transcript = transcript;
        }
        let superfluous: Vec<ResolvedEndpoint> = self
            .reactor
            .places()
            .map(|(place, _)| place.clone())
            .filter(|place| !wanted.iter().any(|want| want.place == *place))
            .collect();
        for place in &superfluous {
            if let Some(pair) = self.reactor.pair(place) {
                pair.discard();
            }
            self.reactor.remove(place, self.config.listen_backlog as usize);
        }
        for want in &wanted {
            self.adjust(want);
        }
        host::log::set_level(config.log_level);
        let settings = settings(&config, &wanted);
        self.reactor.reconfigure(settings);
        #[cfg(feature = "nats")]
        self.change_sharing(shared);
        #[cfg(not(feature = "nats"))]
        let nats::Nothing = shared;
        self.reactor.begin_pairs();
        self.config = config.clone();
        Ok(())
    }

    /// Applies the new configuration to a listener that stays.
    fn adjust(&mut self, want: &ListenSpec) {
        let relabelled = if let Some(pair) = self.reactor.pair(&want.place) {
            pair.set_permissions(want.options.mode, &want.options.group)
        } else if let Some(listener) = self.reactor.listener(&want.place) {
            if let Err(error) = listener.set_backlog(want.options.backlog) {
                log::warn!("{}: the backlog is unchanged: {}", want.place, describe(&error));
            }
            if let Err(error) = listener.share_port(want.options.share_port) {
                log::warn!("{}: share_ports has no effect here: {}", want.place, describe(&error));
            }
            listener.set_permissions(want.options.mode, &want.options.group)
        } else {
            return;
        };
        match relabelled {
            Ok(warnings) => warnings.iter().for_each(|warning| log::warn!("{warning}")),
            Err(error) => log::warn!("{}: mode and group are unchanged: {}", want.place, describe(&error)),
        }
        self.reactor.redirect(&want.place, want.binding());
    }
}
