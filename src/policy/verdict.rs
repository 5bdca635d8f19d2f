//! Why something is refused, waits or has no effect: one closed list of reasons, one shape of violation. The wording that
//! admission gives and the wording in a condition are the same value.

use std::fmt;

/// What kind of thing a reason says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// How an object stands that is as declared.
    Standing,
    /// What an object waits for: nobody need act.
    Waiting,
    /// A rule is broken: admission refuses it, and what is stored all the same has no effect.
    Refusal,
    /// Something got in the way that admission cannot foresee.
    Trouble,
    /// How a session ended.
    Ending,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident: $class:ident = $rules:literal,)+) => {
        /// Why, in one word. The list is closed: metrics and documentation count on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $($(#[doc = $doc])+ $name,)+ }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// As it stands in conditions and answers.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// What kind of thing it says.
            pub fn class(self) -> Class {
                match self { $(Self::$name => Class::$class,)+ }
            }

            /// The ids of the rules that it stands for, in words of the documentation.
            pub fn rules(self) -> &'static str {
                match self { $(Self::$name => $rules,)+ }
            }

            /// What it means, as a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc,)+).trim_ascii_start(),)+ }
            }
        }
    };
}

reasons! {
    /// The object is in effect as declared.
    InEffect: Standing = "",
    /// The object is as declared, and its state is Draft: it gives no access yet.
    Draft: Standing = "T3, R6",
    /// The object is as declared, and its state is Inactive: it gives no access.
    Inactive: Standing = "T3, R6, E8",
    /// The trial is over: the tenant acts as Inactive.
    TrialExpired: Standing = "T5",
    /// The time is outside the employee's window: they count as Inactive.
    OutsideWindow: Standing = "E10",
    /// More employees are Active than the tenant's cap; nobody is blocked.
    UserCapExceeded: Standing = "T6",
    /// The tenant is not Active: nobody has access in it.
    TenantNotActive: Standing = "T3",
    /// There is no Tenant of the namespace's name yet.
    TenantNotFound: Waiting = "T1",
    /// The tenant named as parent does not exist yet.
    ParentNotFound: Waiting = "T2",
    /// A role that the employee names does not exist yet.
    RoleNotFound: Waiting = "E1, E2",
    /// A role that the employee names exists and is refused itself, so it has no effect.
    RoleNotReady: Waiting = "E8",
    /// The tenant has an application whose catalogue does not exist yet.
    CatalogNotFound: Waiting = "P1",
    /// The session waits until the tenant consents.
    AwaitingConsent: Waiting = "I11",
    /// What follows from the object is being written.
    Progressing: Waiting = "",
    /// The API server refused what follows from the object, or its record in the history.
    ApplyFailed: Trouble = "",
    /// The operator lacks a right that the role or catalogue contains, so it cannot hand it out.
    NotGrantable: Trouble = "P6",
    /// The stored object cannot be read as its kind.
    InvalidSpec: Refusal = "V11",
    /// The Tenant is not named like its namespace, or the namespace cannot be a tenant.
    InvalidTenantName: Refusal = "T1",
    /// The parent is missing, superfluous or of the wrong type.
    InvalidParent: Refusal = "T2",
    /// The tenants above one another form a circle.
    ParentCycle: Refusal = "T2",
    /// There are more than eight levels of tenants.
    HierarchyTooDeep: Refusal = "T2",
    /// Existing tenants name the new one as their parent, and its writer may not take them over.
    MayNotAdopt: Refusal = "T2",
    /// The trial, window or another instant is impossible.
    InvalidTime: Refusal = "E10, I8",
    /// The state cannot be reached from the present one.
    InvalidStateChange: Refusal = "T3, R6",
    /// A field was changed that cannot change.
    FieldCannotChange: Refusal = "T2, E7, I8, I11",
    /// The tenant still has children, or is Active, and cannot be deleted.
    TenantInUse: Refusal = "T8",
    /// A display name is empty, too long, or has a blank at an end.
    InvalidDisplayName: Refusal = "R1",
    /// A display name contains a character that it may not.
    ForbiddenCharacter: Refusal = "R2",
    /// Another role of the tenant has the name.
    NameTaken: Refusal = "R3",
    /// Another role of the tenant has had the name before, and keeps it for ever.
    NameBurnt: Refusal = "R4",
    /// The role would take over the names of another one, and those are not to be had.
    NotTheHeir: Refusal = "R4",
    /// The role would take over the names of one that is gone, and its writer may not give them to it.
    MayNotInherit: Refusal = "R4",
    /// The role has had twenty names, and gets no other.
    TooManyNames: Refusal = "R4",
    /// The name belongs to Pimpernel itself.
    NameReserved: Refusal = "R3",
    /// The description is not plain text of at most 200 characters.
    InvalidDescription: Refusal = "R5",
    /// Active employees hold the role, so it cannot leave Active or be deleted.
    RoleInUse: Refusal = "R8",
    /// An Active employee names a role that is not Active.
    RoleNotActive: Refusal = "E3, E5",
    /// There are more than ten secondary roles.
    TooManyRoles: Refusal = "E2",
    /// A role is named twice.
    DuplicateRole: Refusal = "E2",
    /// Another employee of the tenant has the user name.
    UsernameTaken: Refusal = "E7",
    /// The user name is empty, too long, or Kubernetes' own.
    InvalidUsername: Refusal = "E7",
    /// The tenant does not have the application.
    ApplicationNotEnabled: Refusal = "T4",
    /// No catalogue knows the application, permission or action.
    UnknownPermission: Refusal = "P7",
    /// A granted action has no effect until what it requires is granted too.
    RequirementMissing: Waiting = "P3",
    /// The catalogue would hand out rights that no catalogue may.
    ForbiddenRule: Refusal = "P8",
    /// The catalogue names an action that does not exist, actions lead back to themselves, or one that is everybody's
    /// implies one that is not.
    InvalidCatalog: Refusal = "P2, P3, P5",
    /// The person has no right to enter the tenant in this mode.
    NotEntitled: Refusal = "I2",
    /// Nobody enters their own tenant.
    OwnTenant: Refusal = "I3",
    /// The person has another open session.
    SessionAlreadyOpen: Refusal = "I3",
    /// The mode is switched off, by the tenant or for the whole cluster.
    ModeDisabled: Refusal = "I4",
    /// The tenant's state does not allow sessions of this mode.
    TenantStateForbidsMode: Refusal = "T3, I1",
    /// The reason given for a session is too short or too long.
    InvalidJustification: Refusal = "I7",
    /// The session would be shorter or longer than allowed.
    InvalidDuration: Refusal = "I8",
    /// Too little time is left for a credential that ends on time.
    TooLate: Trouble = "I8, I10",
    /// The object names somebody else than the writer as impersonator, or somebody else stops the session.
    NotTheImpersonator: Refusal = "I9, I12",
    /// Whoever answers a session's request for the tenant may not.
    NotAnApprover: Refusal = "I11",
    /// The consent is about no session that waits for an answer: there is none, it is over, or it has its answer.
    NothingToDecide: Refusal = "I11",
    /// The writer would hand out more than they have.
    ExceedsCeiling: Refusal = "R16",
    /// The writer would change their own roles, state or window, or those of the session's impersonator.
    OwnEmployee: Refusal = "E6, I5",
    /// An out-of-the-box role is not made, now or later, because of its name.
    LeftOut: Standing = "R12",
    /// The session that the consent is about is over, or gone.
    SessionOver: Standing = "I11",
    /// The session is open.
    Open: Standing = "I6",
    /// The session was stopped by the impersonator or from inside.
    Stopped: Ending = "I9",
    /// The session reached its end.
    Expired: Ending = "I8, I9",
    /// The object is being deleted; a session has ended because its Impersonation was.
    Deleted: Ending = "I9, R13",
    /// The session ended because its ground went: the right, the tenant's state, or the mode.
    Withdrawn: Ending = "I9",
    /// The tenant rejected the request for the session.
    Rejected: Ending = "I11",
    /// The tenant revoked the session.
    Revoked: Ending = "I9, I11",
    /// The tenant did not answer the request for the session in 24 hours.
    Lapsed: Ending = "I11",
    /// The operator does not know enough yet to judge.
    NotReadyYet: Trouble = "V8",
    /// So many changes of the object wait to be put on record that no more are taken.
    HistoryFull: Trouble = "R13",
    /// A webhook configuration or an admission policy of Pimpernel was changed or deleted.
    RegistrationChanged: Trouble = "",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much of an object a violation takes the effect from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// All of it.
    Whole,
    /// Only the part that the violation names.
    Part,
}

/// One contradiction: why, where, and as a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Why.
    pub reason: Reason,
    /// The field, such as `spec.primaryRole`.
    pub field: String,
    /// What is wrong with the value, and what to do.
    pub message: String,
    /// How much of the object has no effect because of it.
    pub extent: Extent,
}

impl Violation {
    /// A violation that takes the whole object's effect.
    pub fn whole(reason: Reason, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            reason,
            field: field.into(),
            message: message.into(),
            extent: Extent::Whole,
        }
    }

    /// A violation that takes the effect of the named part only.
    pub fn part(reason: Reason, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            reason,
            field: field.into(),
            message: message.into(),
            extent: Extent::Part,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// All that is wrong, in a fixed order.
pub type Violations = Vec<Violation>;

/// Whether any of `violations` takes the whole object's effect.
pub fn voids(violations: &[Violation]) -> bool {
    violations.iter().any(|v| v.extent == Extent::Whole)
}

/// What was read, if nothing is wrong with it.
pub(super) fn strict<T>((object, violations): (T, Violations)) -> Result<T, Violations> {
    if violations.is_empty() {
        Ok(object)
    } else {
        Err(violations)
    }
}

/// What an object says besides whether it is Ready, before it is stamped with a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Further {
    /// The type of the condition.
    pub type_: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// Why.
    pub reason: Reason,
    /// Why, as a sentence.
    pub message: String,
}

/// What the conditions of an object say, before they are stamped with a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Everything is as declared; the reason tells whether it gives access.
    Ready(Reason, String),
    /// Something that is referred to does not exist yet; nobody need act.
    Pending(Reason, String),
    /// The object contradicts a rule; a person must act.
    Refused(Violations),
}

impl Standing {
    /// Refused if anything is wrong, else pending if anything is missing, else ready.
    pub fn of(violations: Violations, pending: Vec<(Reason, String)>, ready: (Reason, String)) -> Self {
        if !violations.is_empty() {
            return Self::Refused(violations);
        }
        match pending.into_iter().next() {
            Some((reason, message)) => Self::Pending(reason, message),
            None => Self::Ready(ready.0, ready.1),
        }
    }

    /// Of an object of that kind that is being deleted nothing else counts any more.
    #[must_use]
    pub fn unless_deleted(self, deleting: bool, what: &str) -> Self {
        if !deleting {
            return self;
        }
        let (reason, message) = deleted(what);
        Self::Pending(reason, message)
    }
}

/// What is said of an object of that kind that is being deleted.
pub fn deleted(what: &str) -> (Reason, String) {
    (Reason::Deleted, format!("The {what} is being deleted"))
}
