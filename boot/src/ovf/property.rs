//! Properties: what an appliance can be told at its first start (DSP0243 9.5.1).

/// A property with the value chosen for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Its whole name in the environment: `CLASS.KEY.INSTANCE`, without the parts that the product does not have.
    pub key: String,
    /// `ovf:type`, as written (`string`, `boolean`, `uint16`, a vendor's `ip`).
    pub kind: String,
    /// The value: set by the user, else of the chosen configuration, else the default.
    pub value: Option<String>,
    /// Whether the user set [`Self::value`].
    pub set: bool,
    /// Whether a user may set it.
    pub user_configurable: bool,
    /// Whether it must have a value before the machine starts.
    pub required: bool,
    /// Whether the value is not to be shown.
    pub password: bool,
    /// `ovf:qualifiers` and `vmw:qualifiers`, as written.
    pub qualifiers: String,
    /// `Label`.
    pub label: Option<String>,
    /// `Description`.
    pub description: Option<String>,
    /// The Category that it stands under.
    pub category: Option<String>,
    /// Its line in the descriptor.
    pub line: u32,
}
