// Grafana's types of what a dashboard's JSON may hold. An enum's members are written as their text there.
import type { Dashboard, FieldConfig, FieldConfigSource, Panel, RowPanel, VariableModel } from '@grafana/schema';
import type * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

export type Json<T> = T extends string ? `${T}`
  : T extends number | boolean | null | undefined ? T
  : T extends Array<infer Item> ? Json<Item>[]
  : T extends object ? { [Key in keyof T]: Json<T[Key]> }
  : T;

interface Custom { stat: never; bargauge: never; table: table.FieldConfig; timeseries: timeseries.FieldConfig; heatmap: heatmap.FieldConfig }
// What an override may set.
export interface Override<Type extends keyof Custom> {
  defaults: Partial<Json<FieldConfig>>; custom: Partial<Json<Custom[Type]>>;
}
// What @grafana/schema leaves open: a target of the Prometheus data source.
interface Target {
  refId: string; datasource: { type: 'prometheus'; uid: string }; editorMode: 'code'; expr: string;
  format: 'time_series' | 'table' | 'heatmap'; instant: boolean; range: boolean; legendFormat: string; interval?: string;
}
// `custom` is typed by the panel's plugin; FieldConfig would take any other key beside.
type Fields<Type> = Omit<Json<FieldConfigSource>, 'defaults'> & {
  defaults: Omit<Json<FieldConfigSource['defaults']>, 'custom'> & { custom?: Json<Type> };
};
type Of<Type extends keyof Custom, Options> = Omit<Json<Panel>, 'type' | 'options' | 'fieldConfig' | 'targets'> & {
  type: Type; options: Json<Options>; fieldConfig: Fields<Custom[Type]>; targets: Target[];
};
export type AnyPanel = Json<RowPanel>
  | Of<'stat', stat.Options>
  | Of<'bargauge', bargauge.Options>
  | Of<'table', table.Options>
  | Of<'timeseries', timeseries.Options>
  | Of<'heatmap', heatmap.Options>;
export type DashboardJson = Omit<Json<Dashboard>, 'panels' | 'templating'> & {
  panels: AnyPanel[]; templating: { list: Json<VariableModel>[] };
};
