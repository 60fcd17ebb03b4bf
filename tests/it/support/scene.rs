//! A server behind a proxy, and srvctl that knows it by the proxy's address.

use super::named::Named;
use super::proxy::Proxy;
use super::srvctl::{Settings, Workspace};

/// All three, gone together.
pub(crate) struct Scene {
    pub(crate) named: Named,
    pub(crate) proxy: Proxy,
    pub(crate) workspace: Workspace,
}

impl Scene {
    /// With no services, and with the settings changed in this way.
    pub(crate) fn with(named: Named, change: impl FnOnce(Settings) -> Settings) -> Self {
        let proxy = Proxy::to(named.address());
        let workspace = Workspace::with(&change(Settings::behind(&named, &proxy)));
        Self { named, proxy, workspace }
    }

    /// With the example's service files.
    pub(crate) fn example(named: Named) -> Self {
        let scene = Self::with(named, |settings| settings);
        scene.workspace.write_example();
        scene
    }
}
