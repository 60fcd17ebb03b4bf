//! A check that is a TCP connection: made, and closed again.

use super::Tools;
use super::connect::connect;
use super::outcome::{Outcome, Said};
use super::target::Filled;
use crate::model::health::TcpCheck;

/// Connects.
pub(super) async fn check(check: &TcpCheck, filled: &Filled<'_>, tools: &Tools<'_>) -> Outcome {
    let port = check.port.map_or(filled.port, Into::into);
    let addresses = filled.addresses(&filled.host, tools.resolver, &tools.progress).await?;
    let connected = connect(&addresses, port, tools.deadline, &tools.progress).await;
    let (_, address) = connected.inspect_err(|_| tools.resolver.forget(&filled.host))?;
    Ok(Said::passing(format!("connected to {address}")))
}
