/** Where the page keeps its data, and where it draws. */
export const DATA_ID = 'history'
export const ROOT_ID = 'page'
