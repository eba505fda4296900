/** Takes the place of what is still on its way, in its final size. */
import styles from "./Skeleton.module.css";

export interface SkeletonProps {
  /** CSS lengths. */
  width?: string;
  height?: string;
  /** So many below each other. */
  count?: number;
}

export function Skeleton({ width = "100%", height = "1rem", count = 1 }: SkeletonProps) {
  const bones = Array.from({ length: count }, (_, index) => (
    <span key={index} class={styles.skeleton} style={{ width, height }} aria-hidden="true" />
  ));
  return <>{bones}</>;
}
