//! The admission policies as they are in the repository, with placeholders for names. Who applies them is left to others:
//! [`super::registration`], or the chart.

/// The admission policies, one file for each concern.
pub const POLICIES: [(&str, &str); 12] = [
    ("consent", include_str!("../../policies/consent.yaml")),
    ("default-roles", include_str!("../../policies/default-roles.yaml")),
    ("definitions", include_str!("../../policies/definitions.yaml")),
    ("derived-objects", include_str!("../../policies/derived-objects.yaml")),
    ("impersonator", include_str!("../../policies/impersonator.yaml")),
    ("lifetime", include_str!("../../policies/lifetime.yaml")),
    (
        "sessions-namespace",
        include_str!("../../policies/sessions-namespace.yaml"),
    ),
    ("status", include_str!("../../policies/status.yaml")),
    ("tenant-deletion", include_str!("../../policies/tenant-deletion.yaml")),
    ("tenant-fields", include_str!("../../policies/tenant-fields.yaml")),
    ("tenant-name", include_str!("../../policies/tenant-name.yaml")),
    ("tenant-parent", include_str!("../../policies/tenant-parent.yaml")),
];
