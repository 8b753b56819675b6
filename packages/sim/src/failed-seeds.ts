/** Seeds that once found a defect, with the ring sizes they were run at. They stay for good and run first. */
export const FAILED_SEEDS: readonly { readonly seed: number; readonly from: number; readonly to: number; readonly found: string }[] = []
