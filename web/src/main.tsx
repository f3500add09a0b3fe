import './style.css';
import { render } from 'preact';
import { App } from './app.tsx';
import { takeToken } from './token.ts';

const root = document.getElementById('app');
if (root) render(<App token={takeToken()} />, root);
