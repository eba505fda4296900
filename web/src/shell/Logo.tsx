/** The gate that everything goes through. */
export function Logo({ size = 24 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="var(--accent)" />
      <path
        d="M6.5 9.5c6.4 1.4 12.6 1.4 19 0M8.5 15h15M11 10.4V24.5M21 10.4V24.5"
        fill="none"
        stroke="var(--accent-contrast)"
        stroke-width="2.6"
        stroke-linecap="round"
      />
    </svg>
  );
}
