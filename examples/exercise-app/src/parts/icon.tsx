// An icon of a piece of equipment is an SVG that came with the data. It is shown as a picture, so nothing in it runs.

/** For what is done with the body alone. */
const BODY =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#000" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round"><circle cx="12" cy="4.5" r="2"/><path d="M5 9.5h14M12 9.5v5M8 21l4-6.5L16 21"/></svg>';

export function EquipmentIcon({ svg = BODY }: { svg: string | undefined }) {
  const maskImage = `url("data:image/svg+xml,${encodeURIComponent(svg)}")`;
  return (
    <span className="icon" aria-hidden="true">
      <span style={{ maskImage }} />
    </span>
  );
}
