/** Every sign-in that was tried. */
import { ChevronLeft, ChevronRight, LogIn, RotateCw } from "lucide-preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { dateTime } from "../../format";
import { historyTexts } from "../../texts";
import { Badge } from "../../ui/Badge";
import { Button } from "../../ui/Button";
import { cx } from "../../ui/cx";
import { Empty } from "../../ui/Empty";
import { RelativeTime } from "../../ui/RelativeTime";
import { Table } from "../../ui/Table";
import { useLoad } from "../../ui/useLoad";
import { Section } from "./Section";
import styles from "./Section.module.css";

const PAGE_SIZE = 50;

export function SignIns() {
  const [page, setPage] = useState(0);
  const list = useLoad((signal) => api.loginHistory({ page, page_size: PAGE_SIZE }, signal), String(page));
  const total = list.data?.total ?? 0;
  const first = page * PAGE_SIZE;

  return (
    <>
      <Section
        intro={historyTexts.intro}
        action={
          <Button icon={RotateCw} busy={list.loading && list.data !== undefined} onClick={list.reload}>
            {historyTexts.reload}
          </Button>
        }
        list={list}
      >
        {({ attempts }) =>
          attempts.length ? (
            <Table label={historyTexts.list}>
              <thead>
                <tr>
                  <th scope="col">{historyTexts.columns.time}</th>
                  <th scope="col">{historyTexts.columns.username}</th>
                  <th scope="col" class={styles.spare}>
                    {historyTexts.columns.address}
                  </th>
                  <th scope="col">{historyTexts.columns.result}</th>
                </tr>
              </thead>
              <tbody>
                {attempts.map((attempt) => (
                  <tr key={attempt.id}>
                    <td>
                      <span class={cx(styles.names, styles.when)}>
                        <RelativeTime time={attempt.timestamp} />
                        <span class={cx(styles.under, styles.spare)}>{dateTime(attempt.timestamp)}</span>
                      </span>
                    </td>
                    <td class={styles.given}>
                      {attempt.username}
                      <span class={cx(styles.under, styles.phoneOnly)}>{attempt.address}</span>
                    </td>
                    <td class={styles.spare}>{attempt.address}</td>
                    <td>
                      <Badge tone={attempt.success ? "ok" : "bad"}>
                        {attempt.success ? historyTexts.signedIn : historyTexts.failed}
                      </Badge>
                    </td>
                  </tr>
                ))}
              </tbody>
            </Table>
          ) : (
            <Empty icon={LogIn} title={historyTexts.none} />
          )
        }
      </Section>
      {(page > 0 || total > PAGE_SIZE) && (
        <nav class={styles.paging} aria-label={historyTexts.list}>
          {list.data && (
            <span role="status">
              {historyTexts.shown(first + 1, first + list.data.attempts.length, total)}
            </span>
          )}
          <Button size="s" icon={ChevronLeft} disabled={page === 0} onClick={() => setPage(page - 1)}>
            {historyTexts.newer}
          </Button>
          <Button
            size="s"
            icon={ChevronRight}
            disabled={list.data !== undefined && first + PAGE_SIZE >= total}
            onClick={() => setPage(page + 1)}
          >
            {historyTexts.older}
          </Button>
        </nav>
      )}
    </>
  );
}
