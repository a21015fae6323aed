/** The account every connection starts in; its name is taken. */
export const GLOBAL_ACCOUNT = "$G";
/** The system account unless another is named. */
export const DEFAULT_SYSTEM_ACCOUNT = "$SYS";
