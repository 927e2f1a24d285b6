/** Tagged templates; `bind` gives them the function that makes elements. */
declare const htm: { bind<V>(h: (...given: any[]) => V): (strings: TemplateStringsArray, ...values: unknown[]) => any };
export default htm;
